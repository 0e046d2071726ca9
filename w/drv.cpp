#include "kernels.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pthread.h>
#include <math.h>
#include <sys/mman.h>
#include <string>
#include <vector>
#include <algorithm>
using namespace loopnest;
static double now(){timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}
static pthread_barrier_t bar; static void wait_bar(const Team*){pthread_barrier_wait(&bar);} static void no_bar(const Team*){}
static const Rung* find(const char*op,const char*n){const IsaTable&t=LOOPNEST_TABLE(LOOPNEST_ISA,LOOPNEST_FAMILY);for(size_t i=0;i<t.count;i++)if(!strcmp(t.rungs[i].op,op)&&!strcmp(t.rungs[i].name,n)&&t.rungs[i].dtype==F32)return&t.rungs[i];return 0;}
int main(int c,char**v){
 // usage: drv op rungs(comma) secs  n ic ih oc p g  ...
 std::vector<std::string> rn; for(char*s=strtok(v[2],",");s;s=strtok(0,","))rn.push_back(s);
 double secs=atof(v[3]);
 for(int i=4;i+5<c;i+=6){
  Conv2d a; memset(&a,0,sizeof a); a.n=atoi(v[i]);a.ic=atoi(v[i+1]);a.ih=a.iw=atoi(v[i+2]);a.oc=atoi(v[i+3]);a.pad_h=a.pad_w=atoi(v[i+4]);a.groups=atoi(v[i+5]);
  a.kh=a.kw=3;a.oh=a.ow=a.ih+2*a.pad_h-2;a.stride_h=a.stride_w=a.dilation_h=a.dilation_w=1;
  size_t xs=a.n*a.ic*a.ih*a.iw, ys=a.n*a.oc*a.oh*a.ow, ws=a.oc*a.ic/a.groups*9;
  auto mk=[](size_t n){float*p=(float*)aligned_alloc(64,(n*4+64)/64*64+4096);for(size_t i=0;i<n;i++)p[i]=float(drand48()-.5);return p;};
  a.x=mk(xs);a.y=mk(ys);a.w=mk(ws);a.bias=mk(a.oc);
  a.x_c=1;a.x_w=a.ic;a.x_h=a.iw*a.ic;a.x_n=a.ih*a.x_h;a.y_c=1;a.y_w=a.oc;a.y_h=a.ow*a.oc;a.y_n=a.oh*a.y_h;
  a.w_w=1;a.w_h=3;a.w_i=9;a.w_o=9*a.ic/a.groups;
  double fl=2.0*a.n*a.oc*(a.ic/a.groups)*(a.pad_h==1?(3.0*a.oh-2)*(3.0*a.ow-2):9.0*a.oh*a.ow);
  Team t{0,1,no_bar,0};
  std::vector<void*> pk(rn.size()),sc(rn.size()); std::vector<std::vector<double>> T(rn.size()); std::vector<double> P(rn.size(),1e9);
  std::vector<float*> out(rn.size());
  bool bi=!strcmp(v[1],"conv2d_backward_input"), bw=!strcmp(v[1],"conv2d_backward_weight");
  size_t os=bi?xs:bw?ws:ys;
  for(size_t r=0;r<rn.size();r++){const Rung*R=find(v[1],rn[r].c_str());if(!R){printf("no %s\n",rn[r].c_str());return 1;}
   if(R->supports(&a)){printf("%s: %s\n",rn[r].c_str(),R->supports(&a));return 1;}
   pk[r]=aligned_alloc(2<<20,(R->packed_bytes(&a)/(2<<20)+1)*(2<<20));if(getenv("HUGE"))madvise(pk[r],(R->packed_bytes(&a)/(2<<20)+1)*(2<<20),MADV_HUGEPAGE);memset(pk[r],0,R->packed_bytes(&a)); sc[r]=aligned_alloc(64,R->scratch_bytes(&a,1)/64*64+64);memset(sc[r],0,R->scratch_bytes(&a,1));
   a.workspace.packed=pk[r];a.workspace.scratch=sc[r];
   for(int k=0;k<2;k++){double s=now();if(R->packed_bytes(&a))R->prepare(&a,pk[r],&t);P[r]=std::min(P[r],now()-s);}
   R->run(&a,&t); out[r]=(float*)malloc(os*4);memcpy(out[r],bi?a.x:bw?a.w:a.y,os*4);}
  double end=now()+secs; 
  while(now()<end||T[0].size()<5) for(size_t r=0;r<rn.size();r++){const Rung*R=find(v[1],rn[r].c_str());a.workspace.packed=pk[r];a.workspace.scratch=sc[r];
    double s0=now(); do{double s=now();R->run(&a,&t);T[r].push_back(now()-s);}while(now()-s0<.004);}
  printf("n%ld %ldx%ldx%ld->%ld p%ld g%ld:",a.n,a.ih,a.iw,a.ic,a.oc,a.pad_h,a.groups);
  for(size_t r=0;r<rn.size();r++){std::sort(T[r].begin(),T[r].end());double m=T[r][T[r].size()/2],b=T[r][0],e=0,mx=0;for(size_t k=0;k<os;k++){e=fmax(e,fabs(out[r][k]-out[0][k]));mx=fmax(mx,fabs(out[0][k]));}
   const Rung*R=find(v[1],rn[r].c_str());
   printf("  %s %.1f/%.1fus %.0fG err %.1e pack %.0fus%s",rn[r].c_str(),b*1e6,m*1e6,fl/m/1e9,e/mx,P[r]*1e6,R->declines&&R->declines(&a)?"(-)":"");}
  printf("\n");fflush(stdout);
  for(auto p:pk)free(p);for(auto p:sc)free(p);for(auto p:out)free(p);free(a.x);free(a.y);free(a.w);free(a.bias);
 }}
